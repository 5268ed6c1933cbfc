/* A lab is about to take the place of the index: do not draw the index first. */
if (location.hash.startsWith("#/lab/")) document.documentElement.classList.add("opening");
