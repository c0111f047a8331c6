// A prompt that offers choices gets a button for each: the reader commits, then looks. What was
// chosen is kept in this browser and said again where the answer is. Without scripts the choices
// are a list.
(() => {
  const page = location.pathname.split("/").pop();

  function remembered(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // a browser may forbid it
    }
  }

  function remember(key, choice) {
    try {
      localStorage.setItem(key, choice);
    } catch {
      // The choice then lasts as long as the page.
    }
  }

  // A name for a button that is a formula.
  function spoken(button) {
    const copy = button.cloneNode(true);
    copy.querySelectorAll("noscript").forEach((other) => other.remove());
    return copy.textContent.replace(/\\[()]/g, "").trim();
  }

  function answer(prompt) {
    let next = prompt.nextElementSibling;
    while (next && !next.matches("details.gives, blockquote, section")) next = next.nextElementSibling;
    return next?.matches("details.gives") ? next : null;
  }

  document.querySelectorAll("blockquote.predict").forEach((prompt, number) => {
    const list = prompt.querySelector("ul");
    if (!list) return;
    const key = `guess ${page} ${number}`;
    const group = document.createElement("div");
    group.className = "choices";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", say("Your guess"));
    const fold = answer(prompt), said = document.createElement("p");
    said.className = "guessed";
    fold?.querySelector("summary").after(said);

    const buttons = [...list.children].map((item, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...(item.querySelector("p") ?? item).childNodes);
      if (button.querySelector(".math")) button.setAttribute("aria-label", spoken(button));
      button.addEventListener("click", () => {
        choose(button);
        remember(key, index);
      });
      return button;
    });

    function choose(chosen) {
      for (const button of buttons)
        button.setAttribute("aria-pressed", String(button === chosen));
      if (chosen) said.replaceChildren(say("Your guess: "), ...chosen.cloneNode(true).childNodes);
    }

    group.append(...buttons);
    list.replaceWith(group);
    choose(buttons[remembered(key) ?? -1]);
  });
})();
