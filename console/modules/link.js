// The secret of a one-time link stands after # and so is never sent by itself. It moves into the form, and out of the
// address, where a shared screen or the history of the browser would keep it.
export function link() {
  const form = document.querySelector("form[data-link]");
  const secret = location.hash.slice(1);
  if (!form || !secret) return;
  form.elements.link.value = secret;
  form.elements.link.type = "password";
  form.elements.link.readOnly = true;
  history.replaceState(null, "", location.pathname);
}
