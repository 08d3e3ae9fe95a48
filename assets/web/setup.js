// Sends the form. The token stands behind `#`, which browsers send to nobody; it leaves the address bar at once, so that
// it is in no history and in no screenshot. Nothing is kept in the browser, the answer's tokens neither.

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const find = (id) => document.getElementById(id);
const form = find("form");
const fields = ["organization", "email", "password", "again"].map(find);

find(token ? "form" : "no-token").hidden = false;

/** Says what is wrong, and takes the reader to the field that it is about. */
function complain(sentence, field) {
  const problem = find("problem");
  problem.textContent = sentence;
  problem.hidden = false;
  for (const each of fields) each.toggleAttribute("aria-invalid", false);
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

function flaw() {
  const [organization, email, password, again] = fields;
  if (!organization.value.trim()) return ["Give your organization a name.", organization];
  if (!email.validity.valid) return ["Give an e-mail address such as ada@example.com.", email];
  if ([...password.value].length < 12) return ["The password needs at least 12 characters.", password];
  if (password.value !== again.value) return ["The two passwords are not the same.", again];
  return null;
}

async function send() {
  const [organization, email, password] = fields.map((field) => field.value);
  const response = await fetch("/api/setup/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, organization, email, password }),
  });
  if (response.ok) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.status === 404) return { detail: "This installation is set up already; log in as its owner." };
  return { detail: answer.detail || `The server answered ${response.status}.`, field: answer.field };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wrong = flaw();
  if (wrong) return complain(...wrong);
  find("submit").disabled = true;
  const refused = await send().catch(() => ({ detail: "The server cannot be reached; is it still running?" }));
  find("submit").disabled = false;
  if (refused) return complain(refused.detail, fields.find((field) => field.name && field.name === refused.field));
  find("command").textContent = `claribi key create --user ${fields[1].value.trim()} --name first --expires 90d`;
  for (const field of fields) field.value = "";
  form.hidden = true;
  find("done").hidden = false;
  find("done").focus();
});
