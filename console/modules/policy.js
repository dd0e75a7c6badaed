// The one Trusted Types policy of the console. Text becomes markup in a single place, htmx's swap of an answer from
// this server; everything foreign in such an answer was escaped there. What an answer of ours never holds is refused
// here as well, so that a mistake on the server fails loudly instead of running.
const FORBIDDEN = /<(script|iframe|object|embed|base|frame|meta|link|portal)[\s/>]/i;

const rules = {
  createHTML(text) {
    const body = text.replace(/<head(\s[^>]*)?>[\s\S]*?<\/head>/i, "").replace(/<script type="module" src="\/static\/[a-z]+\.[0-9a-f]{12}\.js"><\/script>/g, "");
    if (FORBIDDEN.test(body)) throw new TypeError("an answer holds an element that is never swapped in");
    return text;
  },
};

export const policy = globalThis.trustedTypes ? trustedTypes.createPolicy("pratique", rules) : rules;

// htmx makes functions from text only for expression attributes, of which the console has none.
export function noEvaluation() {
  throw new TypeError("expressions in attributes are not used here");
}
