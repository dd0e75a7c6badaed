// Everything here improves a page that already works: nothing that a page says depends on it.
import { copy } from "./copy.js";
import { keyboard } from "./keyboard.js";
import { link } from "./link.js";
import { live } from "./live.js";
import { passkey } from "./passkey.js";
import { theme } from "./theme.js";

document.documentElement.dataset.scripts = "";
copy();
keyboard();
link();
live();
passkey();
theme();
document.addEventListener("htmx:after:swap", () => copy());
