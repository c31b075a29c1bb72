(() => {
  const form = document.getElementById("filter");
  const rows = Array.from(document.querySelectorAll("tr.line"));
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const text = document.getElementById("f-text");
  const differ = document.getElementById("f-differ");
  const keys = ["verdict", "level", "suite", "bep"];
  const selects = keys.map((key) => document.getElementById("f-" + key));
  const lines = rows.map((row) => row.firstElementChild.textContent.toLowerCase());

  function apply() {
    const wanted = selects.map((select) => select.value);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, at) => {
      const fits =
        (!differ.checked || "differs" in row.dataset) &&
        wanted.every((value, i) => !value || row.dataset[keys[i]].split(" ").includes(value)) &&
        words.every((word) => lines[at].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      if (fits) count += 1;
    });
    nothing.hidden = count !== 0;
    shown.value = count === rows.length ? rows.length + " rows" : count + " of " + rows.length + " rows";
  }

  let due = 0;
  text.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(apply, 80);
  });
  for (const input of [...selects, differ]) input.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());

  form.hidden = false;
  apply();
  follow();
})();
