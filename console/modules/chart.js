// Draws the table of days beside it as a line, with uPlot, which the page loads before. The table stays: it is the chart for those who do not see it.
const { uPlot } = globalThis;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(figure) {
  const cells = [...figure.querySelectorAll("tbody tr")].map((row) => [...row.cells].slice(0, 2).map((cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value))));
  if (cells.length < 2) return;
  const place = figure.querySelector("[data-plot]");
  const columns = cells[0].map((_, at) => cells.map((row) => row[at]));
  const axis = { stroke: color("--ink-2"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const options = {
    width: place.clientWidth,
    height: 160,
    cursor: { y: false },
    legend: { show: false },
    scales: { y: { range: [0, 100] } },
    axes: [axis, { ...axis, size: 36 }],
    series: [{}, { label: "Score", stroke: color("--accent"), width: 2, points: { show: cells.length < 40 } }],
  };
  const plot = new uPlot(options, columns, place);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 160 })).observe(place);
}

for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);
