// Shows each SMS on the phone that received it, newest phone first. Text only ever goes in as text.
const phones = document.getElementById("phones");
const state = document.getElementById("state");

function phoneOf(number) {
  let phone = document.getElementById("phone-" + number);
  if (!phone) {
    phone = document.createElement("section");
    phone.className = "phone";
    phone.id = "phone-" + number;
    const title = document.createElement("h2");
    title.textContent = number;
    phone.append(title, document.createElement("ol"));
  }
  document.getElementById("empty")?.remove();
  phones.prepend(phone);
  return phone.querySelector("ol");
}

// A run of 4 to 10 digits is most likely the code: it is made easy to find.
function fill(paragraph, text) {
  for (const piece of text.split(/(\b\d{4,10}\b)/)) {
    if (/^\d{4,10}$/.test(piece)) {
      const code = document.createElement("b");
      code.textContent = piece;
      paragraph.append(code);
    } else {
      paragraph.append(piece);
    }
  }
}

function show(message) {
  const list = phoneOf(message.phone);
  const item = document.createElement("li");
  item.className = "sms";
  const text = document.createElement("p");
  fill(text, message.text);
  const foot = document.createElement("footer");
  foot.textContent = new Date(message.at).toLocaleTimeString() + " · " + message.modem;
  item.append(text, foot);
  list.append(item);
  list.scrollTop = list.scrollHeight;
}

const source = new EventSource("/phones/events");
source.onopen = () => {
  // A new connection tells everything again.
  for (const phone of document.querySelectorAll(".phone")) phone.remove();
  state.textContent = "live";
};
source.onerror = () => { state.textContent = "connection lost, trying again…"; };
source.onmessage = (event) => show(JSON.parse(event.data));
