// Shows the cards of failed episodes that fit what is chosen.
const filters = [...document.querySelectorAll("[data-filter]")];
const cards = [...document.querySelectorAll(".card")];
function choose() {
  for (const card of cards) {
    card.hidden = filters.some(f => f.value && f.value !== card.dataset[f.dataset.filter]);
  }
  const shown = cards.filter(card => !card.hidden).length;
  document.querySelector("output").value = `${shown} of ${cards.length}`;
}
for (const filter of filters) filter.addEventListener("change", choose);
document.querySelector(".filters").hidden = cards.length === 0;
choose();
