(() => {
  const form = document.getElementById("filter");
  const rows = Array.from(document.querySelectorAll("details.row"));
  const sections = Array.from(document.querySelectorAll("section.rows"));
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const text = document.getElementById("f-text");
  const keys = ["verdict", "level", "suite", "bep", "role"];
  const selects = keys.map((key) => document.getElementById("f-" + key));
  // What the text is looked for in: the line that is always visible.
  let lines = null;

  function apply() {
    const wanted = selects.map((select) => select.value);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !lines) {
      lines = rows.map((row) => row.firstElementChild.textContent.toLowerCase());
    }
    let count = 0;
    const left = new Map(sections.map((section) => [section, 0]));
    rows.forEach((row, at) => {
      const fits =
        wanted.every((value, i) => !value || row.dataset[keys[i]].split(" ").includes(value)) &&
        words.every((word) => lines[at].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      if (!fits) return;
      count += 1;
      left.set(row.parentElement, left.get(row.parentElement) + 1);
    });
    for (const [section, number] of left) {
      section.hidden = number === 0;
      section.querySelector(".n").textContent = number;
    }
    nothing.hidden = count !== 0;
    shown.value = count === rows.length ? rows.length + " rows" : count + " of " + rows.length + " rows";
  }

  let due = 0;
  text.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(apply, 80);
  });
  selects.forEach((select) => select.addEventListener("change", apply));
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());

  function step(by) {
    const visible = rows.filter((row) => !row.hidden);
    const at = visible.findIndex((row) => row.contains(document.activeElement));
    const next = visible[at < 0 ? 0 : Math.min(Math.max(at + by, 0), visible.length - 1)];
    if (next) next.firstElementChild.focus();
  }
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = document.activeElement.closest("details.row");
    if (event.key === "/") {
      event.preventDefault();
      text.focus();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "o" && row) row.open = !row.open;
  });

  form.hidden = false;
  apply();
  follow();
})();
