"use strict";

/** How loud it is at a node now: the root of the mean square of its last samples. */
class Level {
  #analyser;
  #samples = new Float32Array(1024);

  constructor(node) {
    this.#analyser = new AnalyserNode(node.context, { fftSize: this.#samples.length });
    node.connect(this.#analyser);
  }

  now() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return Math.sqrt(this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length);
  }
}

/** A level as people see it: nothing is -60 dB, all of it 0 dB. */
class Meter {
  static DEEPEST_DB = 60;
  #bar = element("span", { class: "filled" });

  constructor(label) {
    const range = { "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" };
    this.element = element("span", { class: "meter", role: "meter", "aria-label": label, ...range }, this.#bar);
  }

  show(level) {
    const share = 1 + (20 * Math.log10(level + 1e-9)) / Meter.DEEPEST_DB;
    const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
    this.#bar.style.setProperty("width", `${percent}%`);
    this.element.setAttribute("aria-valuenow", String(percent));
  }
}
