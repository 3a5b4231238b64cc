use super::*;

fn members(body: &str) -> Vec<(String, String)> {
    let document = read(body.as_bytes()).unwrap();
    let mut found: Vec<(String, String)> =
        document.top.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    if let Some(Data::Object(data)) = &document.data {
        found.extend(data.iter().map(|(key, value)| (format!("data.{key}"), value.to_string())));
    }
    found
}

fn refused(body: &[u8]) -> String {
    match read(body) {
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(body)),
        Err(error) => error,
    }
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn trailing_commas_are_tolerated_in_objects_and_arrays() {
    for body in [
        r#"{"a":[1,2],"data":{"b":"x"}}"#,
        r#"{"a":[1,2,],"data":{"b":"x",},}"#,
        "{\"a\":[1,2 , \r\n],\"data\":{\"b\":\"x\"\t,\r\n}\r\n,\r\n}\r\n",
    ] {
        assert_eq!(members(body), [pair("a", "[1,2]"), pair("data.b", "\"x\"")], "{body}");
    }
}

#[test]
fn commas_inside_strings_stay() {
    assert_eq!(
        members(r#"{"data":{"b":"x,}","c":"\",]","d":"\\"},}"#),
        [pair("data.b", r#""x,}""#), pair("data.c", r#""\",]""#), pair("data.d", r#""\\""#)]
    );
}

#[test]
fn a_comma_without_a_value_before_it_is_refused() {
    for body in ["{,}", r#"{"a":[,]}"#, r#"{"a":1,,}"#, r#"{"a":[1,,]}"#, r#"{"a":,}"#, r#"{,"a":1}"#] {
        assert!(refused(body.as_bytes()).starts_with("the body is not JSON"), "{body}");
    }
}

#[test]
fn numbers_keep_every_digit() {
    assert_eq!(
        members(r#"{"data":{"reference":12345678901234567890123,"x":0.10}}"#),
        [pair("data.reference", "12345678901234567890123"), pair("data.x", "0.10")]
    );
}

#[test]
fn a_key_given_twice_is_refused() {
    for (body, key) in [
        (r#"{"command":"a","command":"b"}"#, "command"),
        (r#"{"data":{},"data":{}}"#, "data"),
        (r#"{"data":{"receiver":"1","x":2,"receiver":"1"}}"#, "receiver"),
        (r#"{"data":{"receiver":"1","r\u0065ceiver":"2"}}"#, "receiver"),
    ] {
        let error = refused(body.as_bytes());
        assert!(error.starts_with(&format!("\"{key}\" is given twice")), "{body}: {error}");
    }
}

#[test]
fn what_is_not_an_object_is_refused_in_words() {
    for (body, error) in [
        (&b""[..], "the body is empty"),
        (b" \r\n", "the body is empty"),
        (b"\xEF\xBB\xBF", "the body is empty"),
        (b"[]", "the body is not a JSON object"),
        (b"\"secret\"", "the body is not a JSON object"),
        (b"receiver=1&otp=2", "the body is not a JSON object"),
        (b"{\x00}", "the body is not JSON"),
        (b"{\"a\":\"\n\"}", "the body is not JSON"),
        (b"{\"a\":\"\xFF\"}", "the body is not JSON"),
        (b"{\"a\":\"\\ud800\"}", "the body is not JSON"),
        (b"{\"a\":08126666666}", "the body is not JSON"),
        (b"{\"a\":1}{}", "the body is not JSON"),
        (b"{'a':1}", "the body is not JSON"),
        (b"{", "the body is incomplete"),
        (b"{\"a\":\"x", "the body is incomplete"),
        (b"{\"data\":{\"a\":1,", "the body is incomplete"),
    ] {
        let found = refused(body);
        assert!(found.starts_with(error), "{}: {found}", String::from_utf8_lossy(body));
        assert!(!found.contains("secret"), "{found}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(members("\u{feff}{\"a\":1}"), [pair("a", "1")]);
}

#[test]
fn deep_nesting_is_refused_without_overflowing_the_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"data\":{{\"a\":{}1{}}}}}", open.repeat(10_000), close.repeat(10_000));
        assert!(refused(deep.as_bytes()).contains("nested deeper than 127"));
        let unclosed = format!("{{\"a\":{}", open.repeat(10_000));
        assert!(refused(unclosed.as_bytes()).contains("nested deeper than 127"));
    }
    let just = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(read(just(MAX_DEPTH).as_bytes()).is_ok());
    assert!(refused(just(MAX_DEPTH + 1).as_bytes()).contains("nested deeper than 127"));
    let side_by_side = format!("{{\"a\":[{}[]]}}", "[[[]]],".repeat(500));
    assert!(read(side_by_side.as_bytes()).is_ok());
    let in_text = format!("{{\"a\":\"{}\"}}", "[{,".repeat(5_000));
    assert!(read(in_text.as_bytes()).is_ok());
}

#[test]
fn too_many_values_are_refused_before_any_is_made() {
    let list = |count: usize| format!("{{\"a\":[{}{{}}]}}", "{},".repeat(count - 1));
    // Each empty object counts as one value and, but for the last, as one place in the list.
    assert!(read(list(MAX_VALUES / 2 - 1).as_bytes()).is_ok());
    for body in [
        list(MAX_VALUES / 2),
        list(20_000),
        format!("{{\"data\":{{\"a\":[{}0]}}}}", "0,".repeat(30_000)),
        // Not JSON at all, and not looked at either.
        format!("{{{}", "{".repeat(50).repeat(2) + &",".repeat(60_000)),
    ] {
        assert!(refused(body.as_bytes()).contains("more than 4096 values"), "{}", body.len());
    }
}

#[test]
fn too_many_members_are_refused() {
    let body = |count: usize| {
        let list: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
        format!("{{\"data\":{{{}}}}}", list.join(","))
    };
    assert!(read(body(MAX_MEMBERS).as_bytes()).is_ok());
    assert!(refused(body(MAX_MEMBERS + 1).as_bytes()).contains("at most 256 members"));
}

#[test]
fn data_that_is_no_object_is_told_apart() {
    for (data, is_object) in
        [("{}", true), ("[]", true), ("null", true), ("[1]", false), ("\"x\"", false), ("true", false), ("[{}]", false)]
    {
        let document = read(format!("{{\"data\":{data}}}").as_bytes()).unwrap();
        assert_eq!(matches!(document.data, Some(Data::Object(_))), is_object, "{data}");
    }
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        drop(read(&body));
    }

    #[test]
    fn near_json_never_panics(body in r#"[{}\[\],:"\\a1 ]{0,60}"#) {
        drop(read(body.as_bytes()));
    }

    /// Whatever serde_json takes without our help must pass the comma pass unchanged.
    #[test]
    fn valid_json_is_left_alone(text in ".*", number in proptest::prelude::any::<i64>()) {
        let body = serde_json::json!({"data": {"text": text, "list": [number, {"x": text}]}}).to_string();
        proptest::prop_assert!(matches!(scan(body.as_bytes()), Ok(Cow::Borrowed(_))));
    }
}
