// A button on every block of text that is made to be copied. Where scripts do not run the text can be selected.
function labelled(button, text) {
  button.textContent = text;
}

function add(block) {
  if (block.querySelector("button.copy")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  labelled(button, "Copy");
  button.addEventListener("click", async () => {
    const text = block.querySelector("code, .copied")?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      labelled(button, "Copied");
    } catch {
      getSelection().selectAllChildren(block.querySelector("code, .copied"));
      labelled(button, "Press Ctrl+C");
    }
    setTimeout(() => labelled(button, "Copy"), 2000);
  });
  block.append(button);
}

export function copy(root = document) {
  for (const block of root.querySelectorAll("[data-copy]")) add(block);
}
