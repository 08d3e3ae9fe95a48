// Sends the password that is chosen by a one-time link. The link's token stands in the fragment, which browsers send to
// nobody, and leaves the address bar at once.

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const [form, password, again, send, told, why] =
  ["form", "password", "again", "send", "told", "why"].map((id) => document.getElementById(id));

const OPERATIONS = {
  inv_: { path: "/api/auth/accept-invitation/", why: "You were invited. With this password you log in from now on." },
  rst_: { path: "/api/auth/reset-password/", why: "It takes the place of the one before, and all sessions end." },
};
const operation = OPERATIONS[token.slice(0, 4)];

function tell(text) {
  told.textContent = text;
  told.hidden = false;
}

if (operation) {
  why.textContent = operation.why;
  form.hidden = false;
  password.focus();
} else {
  tell("This page is opened by a link of an invitation or a reset. Copy the whole link, or ask for a new one.");
}

again.addEventListener("input", () => again.setCustomValidity(""));
password.addEventListener("input", () => again.setCustomValidity(""));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (password.value !== again.value) {
    again.setCustomValidity("These are not the same.");
    again.reportValidity();
    return;
  }
  send.disabled = true;
  try {
    const response = await fetch(operation.path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, password: password.value }),
    });
    const answer = await response.json();
    if (response.ok) {
      form.hidden = true;
      tell(`The password of ${answer.email} is set.`);
    } else {
      tell(answer.detail ?? answer.message ?? "The server did not take it; try again.");
    }
  } catch {
    tell("The server cannot be reached; try again.");
  } finally {
    send.disabled = false;
  }
});
