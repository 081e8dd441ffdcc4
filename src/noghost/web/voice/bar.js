"use strict";

/** What of speaking is seen: the button beside the question, and above it a line while somebody listens. */
class Bar {
  #mute;
  #phase = element("span", { class: "phase" });
  #meters = { microphone: new Meter("Your microphone"), answer: new Meter("The answer's sound") };

  /** `acts`: what Press wants, mute() and end(). */
  constructor(acts) {
    this.button = button("Speak", () => {}, { id: "speak", "aria-describedby": "speak-why" });
    this.#mute = button("Mute", () => acts.mute());
    const { microphone, answer } = this.#meters;
    this.line = element(
      "div",
      { id: "talk", hidden: true, role: "group", "aria-label": "Speaking" },
      this.#phase,
      element("span", { class: "side" }, "You", microphone.element),
      element("span", { class: "side" }, "Answer", answer.element),
      element("span", { class: "acts" }, this.#mute, button("End", () => acts.end())),
    );
    byId("form").prepend(this.line);
    byId("send").before(this.button);
    byId("keys").append(", Space speaks");
    new Press(this.button, acts);
  }

  /** `phase`: a key of PHASES, null: nobody speaks. */
  show({ phase, isHeld, isLatched, isMuted, isBusy }) {
    const hadFocus = this.line.contains(document.activeElement);
    this.line.hidden = phase === null;
    if (phase === null) this.level(0, 0);
    this.line.dataset.phase = phase ?? "";
    const said = isMuted && phase === "listening" ? "muted" : phase;
    this.#phase.textContent = (PHASES[said] ?? "") + (isHeld && said === "listening" ? ": let go to send" : "");
    this.button.textContent = isLatched ? "Stop" : "Speak";
    this.#mute.textContent = isMuted ? "Unmute" : "Mute";
    this.button.dataset.on = String(isLatched || isHeld);
    this.button.disabled = isBusy;
    if (hadFocus && this.line.hidden) this.button.focus();
  }

  level(microphone, answer) {
    this.#meters.microphone.show(microphone);
    this.#meters.answer.show(answer);
  }
}

const PHASES = {
  opening: "Opening the microphone",
  muted: "Muted: nothing you say is sent",
  listening: "Listening",
  understanding: "Understanding",
  thinking: "Thinking",
  speaking: "Speaking",
};
