"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const chart = byId("chart");
  const dots = [...chart.querySelectorAll("circle")];
  if (!dots.length) return;
  const places = dots.map((dot) => [parseFloat(dot.getAttribute("cx")), parseFloat(dot.getAttribute("cy"))]);
  const readout = byId("readout");
  const cursor = byId("cursor");
  let at = dots.length - 1;

  const line = (...cells) => {
    const p = document.createElement("p");
    for (const cell of cells) p.append(...[...cell.childNodes].map((node) => node.cloneNode(true)), " ");
    return p;
  };
  const show = (index) => {
    dots[at].classList.remove("on");
    at = Math.min(dots.length - 1, Math.max(0, index));
    dots[at].classList.add("on");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, dots[at].getAttribute("cx"));
    cursor.removeAttribute("visibility");
    const [night, value, interval, samples, ran, note] = byId(`point-${at}`).cells;
    const head = line(night, value, interval);
    if (samples.textContent !== "1") head.append(`n=${samples.textContent}`);
    const with_ = line(ran);
    with_.className = "ran";
    readout.replaceChildren(head, with_, line(note));
    chart.setAttribute("aria-valuenow", at);
    chart.setAttribute("aria-valuetext", readout.innerText);
  };

  // Without scripts it is a picture, and the table below has everything.
  chart.setAttribute("role", "slider");
  chart.tabIndex = 0;
  chart.setAttribute("aria-valuemin", 0);
  chart.setAttribute("aria-valuemax", dots.length - 1);
  readout.hidden = byId("hint").hidden = false;
  show(at);

  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
  chart.addEventListener("keydown", (event) => {
    if (event.key === "Enter") location.hash = `point-${at}`;
    else if (event.key in steps) show(at + steps[event.key]);
    else return;
    event.preventDefault();
  });
  const point = (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 100;
    const y = event.clientY - box.top;
    // Of several points of one night, the one nearest in height.
    const far = ([px, py]) => Math.abs(px - x) * 1000 + Math.abs(py - y);
    show(places.reduce((best, place, i) => (far(place) < far(places[best]) ? i : best), 0));
  };
  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerdown", point);
})();
