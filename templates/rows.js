"use strict";
// What a row holds is text to the parser until somebody opens it: a page of thousands opens at once.
// Without scripts a browser shows it all the same.
const fill = (row) => {
  const late = row.querySelector(":scope > .body > noscript");
  if (late) late.parentElement.innerHTML = late.textContent;
};
addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches("details.row[open]")) fill(event.target);
  },
  true,
);
document.querySelectorAll("details.row[open]").forEach(fill);

// A link to a row opens it.
const follow = () => {
  let id = location.hash.slice(1);
  try {
    id = decodeURIComponent(id);
  } catch {
    return;
  }
  const row = document.getElementById(id);
  if (row && row.matches("details.row")) {
    fill(row);
    row.open = true;
    row.scrollIntoView();
  }
};
addEventListener("hashchange", follow);
