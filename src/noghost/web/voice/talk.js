"use strict";

/** Speaking with the service, as the page does it: a press opens a session, unless one is open. */
class Talk {
  #page;
  #bar;
  #isMuted = false;
  #speaking = null;

  /** `page`: what Page hands out. */
  constructor(page) {
    this.#page = page;
    this.#bar = new Bar({
      down: () => this.#down(),
      hold: () => this.#speaking?.hold(),
      up: () => this.#speaking?.up(),
      tap: () => this.#speaking?.tap(),
      mute: () => this.#mute(),
      end: () => this.end(),
    });
    page.setTalk(this);
  }

  get isOn() {
    return this.#speaking !== null;
  }

  /** The turn that is being spoken, by either side. */
  get turn() {
    return this.#speaking?.turn ?? null;
  }

  /** The page is drawn anew. */
  draw() {
    const { phase = null, isHeld = false, isLatched = false } = this.#speaking ?? {};
    this.#bar.show({ phase, isHeld, isLatched, isMuted: this.#isMuted, isBusy: this.#page.isAnswering() });
  }

  end() {
    this.#speaking?.end(STOPPED_IT);
  }

  #down() {
    this.#page.notice("");
    if (this.#page.service.isSealing) return this.#page.notice(SEALED);
    if (this.#speaking?.isGone) this.end();
    if (!this.#speaking) {
      const page = { ...this.#page, onLevels: (microphone, answer) => this.#bar.level(microphone, answer) };
      this.#speaking = new Speaking(page, this.#isMuted, (why) => this.#over(why));
    }
    this.#speaking.down();
  }

  #mute() {
    this.#isMuted = !this.#isMuted;
    this.#speaking?.mute(this.#isMuted);
    this.draw();
  }

  async #over(why) {
    this.#speaking = null;
    this.#page.redraw();
    this.#page.remember();
    if (why === NOT_OPENED && !(await this.#page.listModels())) return; // which says why, or asks for a key
    if (why && why !== STOPPED_IT) this.#page.notice(why);
  }
}

const STOPPED_IT = "You stopped it.";
const SEALED =
  "What you say would not be sealed, so a sealed page does not speak. Type, or switch sealing off under Settings.";

/** The button, where this browser can give a microphone; where it cannot, why. */
{
  const why = Microphone.whyNot();
  byId("speak-why").textContent = why ?? "Hold the button or the space bar to speak, tap it to be listened to.";
  if (!why) new Talk(Page);
}
