// The documented requests as printed, for `include!`: the three revisions of the original product's README, the shapes of its
// PHP publisher and those of its Postman collection. The files hold line feeds; the documents were written with CR LF, which is
// what the printed Content-Length counts: replace "\n" by "\r\n" to get them. Times to be replaced: DATE_TIME and EXPIRATION.

/// One documented request.
pub(crate) struct DocumentedRequest {
    /// Where it stands and what it asks.
    pub(crate) name: &'static str,
    /// The path it is sent to.
    pub(crate) path: &'static str,
    /// The printed length with CR LF; absent where none was printed or the print is wrong.
    pub(crate) content_length: Option<usize>,
    /// The body with LF.
    pub(crate) body: &'static str,
}

/// `date_time` as printed.
pub(crate) const DATE_TIME: &str = "1629685778";

/// `expiration` as printed.
pub(crate) const EXPIRATION: &str = "1629685838";

/// All of them.
pub(crate) const DOCUMENTED_REQUESTS: &[DocumentedRequest] = &[
    DocumentedRequest {
        name: "2021-08-18-send-sms",
        path: "/api/sms",
        content_length: Some(129),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-08-18-send-sms.json")),
    },
    DocumentedRequest {
        name: "2021-08-18-send-email",
        path: "/api/sms",
        content_length: Some(138),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-08-18-send-email.json")),
    },
    DocumentedRequest {
        name: "2021-08-18-block-msisdn",
        path: "/api/block",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-08-18-block-msisdn.json")),
    },
    DocumentedRequest {
        name: "2021-08-18-unblock-msisdn",
        path: "/api/unblock",
        content_length: Some(81),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-08-18-unblock-msisdn.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-create-otp",
        path: "/api/otp",
        content_length: Some(313),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-create-otp.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-validate-otp",
        path: "/api/otp",
        content_length: Some(274),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-validate-otp.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-send-sms",
        path: "/api/sms",
        content_length: Some(182),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-send-sms.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-send-email",
        path: "/api/sms",
        content_length: Some(191),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-send-email.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-block-msisdn",
        path: "/api/block",
        content_length: Some(107),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-block-msisdn.json")),
    },
    DocumentedRequest {
        name: "2021-09-23-unblock-msisdn",
        path: "/api/unblock",
        content_length: Some(109),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-23-unblock-msisdn.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-create-otp",
        path: "/api/otp",
        content_length: Some(313),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-create-otp.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-validate-otp",
        path: "/api/otp",
        content_length: Some(274),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-validate-otp.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-send-sms",
        path: "/api/sms",
        content_length: Some(182),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-send-sms.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-send-email",
        path: "/api/sms",
        content_length: Some(222),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-send-email.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-block-msisdn",
        path: "/api/block",
        content_length: Some(107),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-block-msisdn.json")),
    },
    DocumentedRequest {
        name: "2021-09-26-unblock-msisdn",
        path: "/api/unblock",
        content_length: Some(109),
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-unblock-msisdn.json")),
    },
    DocumentedRequest {
        name: "publisher-request-otp",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-request-otp.json")),
    },
    DocumentedRequest {
        name: "publisher-request-otp-without-params",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/publisher-request-otp-without-params.json"
        )),
    },
    DocumentedRequest {
        name: "publisher-verify-otp",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-verify-otp.json")),
    },
    DocumentedRequest {
        name: "publisher-send-sms",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-send-sms.json")),
    },
    DocumentedRequest {
        name: "publisher-send-email",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-send-email.json")),
    },
    DocumentedRequest {
        name: "publisher-send-message",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-send-message.json")),
    },
    DocumentedRequest {
        name: "publisher-block-msisdn",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-block-msisdn.json")),
    },
    DocumentedRequest {
        name: "publisher-unblock-msisdn",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-unblock-msisdn.json")),
    },
    DocumentedRequest {
        name: "publisher-get-modem-list",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-get-modem-list.json")),
    },
    DocumentedRequest {
        name: "publisher-get-modem-list-delay",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-get-modem-list-delay.json")),
    },
    DocumentedRequest {
        name: "publisher-request-ussd",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-request-ussd.json")),
    },
    DocumentedRequest {
        name: "publisher-set-gpio-value",
        path: "/api/otp",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/publisher-set-gpio-value.json")),
    },
    DocumentedRequest {
        name: "postman-request-otp",
        path: "/api/sms",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/postman-request-otp.json")),
    },
    DocumentedRequest {
        name: "postman-verify-otp",
        path: "/api/sms",
        content_length: None,
        body: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/postman-verify-otp.json")),
    },
];
