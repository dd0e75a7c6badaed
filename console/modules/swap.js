// Brings htmx under the policy: it swaps parts of a page where the page alone would have been loaded anew.
import htmx from "./htmx.js";
import { policy, noEvaluation } from "./policy.js";

htmx.registerExtension("pratique", {
  init(api) {
    api.initSecurity(policy, noEvaluation, noEvaluation);
  },
});

// A part that cannot be had (stopped server, ended session) is never left half done: the page itself tells more.
document.addEventListener("htmx:error", (event) => {
  const source = event.target instanceof Element ? event.target : document.body;
  if (source.matches("form, a")) document.documentElement.dataset.offline = "";
});
document.addEventListener("htmx:after:swap", () => {
  delete document.documentElement.dataset.offline;
});
