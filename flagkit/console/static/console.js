// All that the pages need beyond htmx; everything works without it.
"use strict";

// A slider and its number box say the same.
document.addEventListener("input", (event) => {
  const id = event.target.dataset && event.target.dataset.twin;
  const twin = id && document.getElementById(id);
  if (twin) twin.value = event.target.value;
});
