"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// ---------------------------------------------------------------- numbers as text

const minus = text => text.replace("-", "−");
const amplitude = value => value.toFixed(4);
const percent = value => `${Math.round(100 * value)}%`;
const superscript = n => String(n).replace(/./g, c => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(c)]);

/** For instance 0.13, or 3·10⁻⁸. */
function scientific(value) {
  if (value === 0) return "0";
  if (Math.abs(value) >= 0.00995) return minus(value.toPrecision(2));
  const [digit, power] = value.toExponential(0).split("e");
  return minus(digit) + "·10" + superscript(Number(power));
}

/** A rate with its sign, and plain 0 where it rounds to that. */
function signed(rate) {
  const text = Math.abs(rate) < 1000 ? rate.toFixed(1) : rate.toPrecision(2);
  return Number(text) === 0 ? "0" : rate > 0 ? "+" + text : minus(text);
}

// ---------------------------------------------------------------- what all sections share

/** Text into every element of the section that asks for it by data-show="name". */
function put(section, values) {
  for (const [name, text] of Object.entries(values))
    for (const place of section.querySelectorAll(`[data-show="${name}"]`)) place.textContent = text;
}

/** Show what has data-if="name" if `yes`, and hide it if not. */
function reveal(section, name, yes) {
  for (const place of section.querySelectorAll(`[data-if="${name}"]`)) place.hidden = !yes;
}

async function load(sprite) {
  const image = new Image();
  image.src = sprite;
  await image.decode();
  return image;
}

/** Canvas i of the section shows picture i of a frame: frames are the rows of the sprite, pictures its columns. */
function painter(section, image, pixels) {
  const canvases = [...section.querySelectorAll("canvas")];
  for (const canvas of canvases) canvas.width = canvas.height = pixels;
  return frame => canvases.forEach((canvas, i) => canvas.getContext("2d").drawImage(
    image, i * pixels, frame * pixels, pixels, pixels, 0, 0, pixels, pixels));
}

const path = points => "M" + points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let stopOther = () => {};

/** Slider, play button, keys and pointer of a section. `show(frame)` draws a frame and returns it in words. */
function player(section, frames, seconds, show) {
  const slider = section.querySelector("input"), button = section.querySelector("button"), pictures = section.querySelector(".drag");
  const last = frames - 1, name = section.querySelector("h2").textContent;
  let request = 0;

  function go(frame) {
    slider.value = frame; // the slider keeps to its range and to whole numbers
    const words = show(Number(slider.value));
    slider.setAttribute("aria-valuetext", words);
    pictures.setAttribute("aria-label", `Picture: ${words}`);
  }

  function pause() {
    cancelAnimationFrame(request);
    request = 0;
    button.textContent = "Play";
    button.setAttribute("aria-label", `Play: ${name}`);
  }

  function play() {
    stopOther();
    stopOther = pause;
    const from = Number(slider.value) < last ? Number(slider.value) : 0;
    // Who asked for less motion gets ten stills, two seconds each, instead of a film.
    const [duration, stills] = calm.matches ? [20, 10] : [seconds, last];
    let start;
    const tick = now => {
      start ??= now;
      const frame = from + Math.floor((now - start) / 1000 / duration * stills) / stills * last;
      go(frame);
      if (frame < last) request = requestAnimationFrame(tick);
      else pause();
    };
    request = requestAnimationFrame(tick);
    button.textContent = "Pause";
    button.setAttribute("aria-label", `Pause: ${name}`);
  }

  const toggle = () => request ? pause() : play();
  button.addEventListener("click", toggle);
  slider.max = last;
  slider.addEventListener("input", () => { pause(); go(slider.value); });

  // Arrow keys go by a hundredth of the way, so that the finest slider is as quick as the others.
  const step = Math.max(1, Math.round(last / 100));
  const moves = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, PageUp: 10 * step, PageDown: -10 * step };
  slider.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === " ") toggle();
    else if (event.key in moves) { pause(); go(Number(slider.value) + moves[event.key]); }
    else return; // Home and End are the browser's own
    event.preventDefault();
  });

  // A finger or a mouse on the pictures drags time along, from one end to the other over their width.
  let held = null;
  pictures.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    pause();
    pictures.setPointerCapture(event.pointerId);
    held = { x: event.clientX, frame: Number(slider.value) };
  });
  pictures.addEventListener("pointermove", event => {
    if (held) go(held.frame + (event.clientX - held.x) / pictures.clientWidth * last);
  });
  for (const end of ["pointerup", "pointercancel"]) pictures.addEventListener(end, () => { held = null; });

  pause();
  go(0);
}

// ---------------------------------------------------------------- 1 forwards

function forward(image) {
  const section = document.getElementById("forward"), { t, alpha_bar, pixels } = data.forward;
  const T = t.at(-1), signal = alpha_bar.map(Math.sqrt), noise = alpha_bar.map(value => Math.sqrt(1 - value));
  const paint = painter(section, image, pixels);

  const chart = section.querySelector("svg");
  const x = step => 30 + 362 * step / T, y = value => 120 - 110 * value;
  chart.setAttribute("aria-label", `Signal amplitude falls from 1 to ${amplitude(signal.at(-1))}, noise amplitude rises from 0 to ${amplitude(noise.at(-1))}`);
  chart.querySelector("path.signal").setAttribute("d", path(signal.map((value, i) => [x(t[i]), y(value)])));
  chart.querySelector("path.noise").setAttribute("d", path(noise.map((value, i) => [x(t[i]), y(value)])));

  const crossing = t.find((_, i) => noise[i] > signal[i]);
  put(section, {
    T,
    left: percent(signal.at(-1)),
    crossing: crossing === undefined ? "" : `From about t = ${crossing} there is more noise than signal.`,
  });

  player(section, t.length, 10, frame => {
    paint(frame);
    put(section, {
      t: t[frame], alpha_bar: alpha_bar[frame].toFixed(5), signal: amplitude(signal[frame]), noise: amplitude(noise[frame]),
    });
    for (const end of ["x1", "x2"]) chart.querySelector(".cursor").setAttribute(end, x(t[frame]));
    for (const [kind, values] of Object.entries({ signal, noise })) {
      chart.querySelector(`circle.${kind}`).setAttribute("cx", x(t[frame]));
      chart.querySelector(`circle.${kind}`).setAttribute("cy", y(values[frame]));
    }
    return `t = ${t[frame]} of ${T}, ${percent(signal[frame])} signal and ${percent(noise[frame])} noise in amplitude`;
  });
}

// ---------------------------------------------------------------- 2 backwards

function backward(image) {
  const section = document.getElementById("backward"), { t, alpha, alpha_bar, sigma, pixels } = data.backward;
  const paint = painter(section, image, pixels);
  put(section, { T: t[0] });

  player(section, t.length, 12, frame => {
    const step = t[frame], a = alpha[frame], bar = alpha_bar[frame];
    const [signal, noise] = [Math.sqrt(bar), Math.sqrt(1 - bar)];
    paint(frame);
    put(section, { t: step, alpha_bar: bar.toFixed(5), signal: amplitude(signal), noise: amplitude(noise) });
    if (step > 0) put(section, {
      before: step - 1, scale: amplitude(1 / Math.sqrt(a)), taken: amplitude((1 - a) / noise), sigma: amplitude(sigma[frame]),
    });
    reveal(section, "step", step > 0);
    reveal(section, "end", step === 0);
    return `t = ${step}, from ${t[0]} down to 0, ${percent(noise)} noise in amplitude`;
  });
}

// ---------------------------------------------------------------- 3 the PDE

function pde() {
  const section = document.getElementById("pde");
  const { L, t, amplitudes, relative, C, mu, rates, mean, leader, steady, growth, reigns, x, basis, largest } = data.pde;
  const modes = [...basis.keys()].slice(1); // 1, 2, ..., K

  // The curve u = sum of a_k phi_k, and the steady state of the mode that rules.
  const u = a => x.map((_, i) => a.reduce((total, value, k) => total + value * basis[k][i], 0));
  const curve = values => path(values.map((value, i) => [36 + 356 * x[i] / L, 134 - 120 * value / largest]));

  const digit = 10 ** Math.floor(Math.log10(largest)), tick = Math.floor(largest / digit) * digit, height = 120 * tick / largest;
  const picture = section.querySelector("svg"), isPi = Math.abs(L - Math.PI) < 1e-9;
  picture.querySelector(".ticks").setAttribute("d", `M31,${134 - height}h5M31,${134 + height}h5M36,255v10M214,255v10M392,255v10`);
  for (const [where, text, y] of [["high", `${tick}`, 139 - height], ["low", `−${tick}`, 139 + height]]) {
    picture.querySelector(`.${where}`).textContent = text;
    picture.querySelector(`.${where}`).setAttribute("y", y);
  }
  picture.querySelector(".middle").textContent = isPi ? "π/2" : `${L / 2}`;
  picture.querySelector(".length").textContent = isPi ? "π" : `${L}`;

  // The table: a bar a mode, from 10^-12 (what is smaller is rounding) to 1, and the rates under it.
  const floor = -12;
  const row = (title, cells, kind = "td") => `<th scope="row">${title}</th>` + cells.map(c => `<${kind}>${c}</${kind}>`).join("");
  const scale = [0, 2, 4, 6, 8, 10].map(n => `<span style="top: ${100 * n / -floor}%">${n ? "10" + superscript(-n) : "1"}</span>`);
  section.querySelector("thead").innerHTML = `<tr class="bars" aria-hidden="true">${row(scale.join(""), modes.map(() => "<div></div>"))}</tr>`;
  section.querySelector("tbody").innerHTML = ["mode", "amplitude", "rate now <i>μ</i>−<i>λ<sub>j</sub></i>", "by (23) <i>λ<sub>k</sub></i>−<i>λ<sub>j</sub></i>"]
    .map((title, i) => `<tr>${row(title, modes.map(j => i ? "" : `<i>φ</i><sub>${j}</sub>`))}</tr>`).join("");
  const [bars, names, sizes, now, theory] = [...section.querySelectorAll(".modes tr")].map(tr => [...tr.querySelectorAll("td")]);

  const phases = section.querySelector(".phases");
  phases.innerHTML = reigns.map(({ k, from, to }) => `<span style="flex-grow: ${100 * (to - from) / t.at(-1)}"><i>φ</i><sub>${k}</sub></span>`).join("");
  put(section, { T: t.at(-1) });

  player(section, t.length, 16, frame => {
    const a = amplitudes[frame], k = leader[frame];
    picture.querySelector(".curve").setAttribute("d", curve(u(a)));
    picture.querySelector(".dashed").setAttribute("d", curve(basis[k].map(value => steady[frame] * value)));
    modes.forEach((j, i) => {
      const size = relative[frame][j], rate = rates[frame][j];
      const trend = signed(rate) === "0" ? "" : rate > 0 ? "grows" : "dies";
      bars[i].firstChild.style.height = `${100 * Math.max(0, 1 - Math.log10(size) / floor)}%`;
      bars[i].firstChild.hidden = size < 10 ** floor;
      for (const cell of [bars[i], now[i]]) cell.className = trend;
      for (const cell of [names[i], sizes[i]]) cell.className = j === k ? "rules" : "";
      sizes[i].textContent = size < 10 ** floor ? "<10" + superscript(floor) : scientific(size);
      now[i].textContent = signed(rate);
      theory[i].textContent = j === k ? "rules" : signed(growth[k][j]);
    });
    [...phases.children].forEach((span, i) => span.classList.toggle("now", reigns[i].k === k));
    const lower = modes.some(j => j < k && relative[frame][j] > 10 ** floor);
    put(section, {
      t: t[frame].toFixed(3), mu: mu[frame].toFixed(2), C: C[frame].toPrecision(8), leader: k,
      mean: scientific(mean[frame]),
    });
    reveal(section, "lower", lower);
    reveal(section, "lowest", !lower);
    return `t = ${t[frame].toFixed(2)}, mode ${k} rules`;
  });
}

// ---------------------------------------------------------------- all

async function start() {
  put(document, { preset: data.preset });
  const note = document.getElementById("note");
  note.textContent = data.note;
  note.hidden = !data.note;
  const [chain, nine] = await Promise.all([load(data.forward.sprite), load(data.backward.sprite)]);
  forward(chain);
  backward(nine);
  pde();
  document.documentElement.dataset.ready = "yes";
}
start();
