// The words of the scripts. `say("Stop")` and say`run ${n} steps` give them in the language of the
// page: the Chinese edition puts its table before this line (site/words.py). The key is the
// English text, with {0}, {1}, … for what is inserted.
window.say = (parts, ...values) => {
  const key = typeof parts === "string" ? parts
    : parts.reduce((text, part, i) => `${text}{${i - 1}}${part}`).replace(/\s+/g, " ");
  return (window.bookWords?.[key] ?? key).replace(/\{(\d)\}/g, (_, i) => values[i]);
};
