"use strict";

/**
 * A button that is held or tapped, and the space bar, which does the same where nothing that has the focus wants it.
 *
 * `on`: down() at once; then hold() and up(), or tap() if it was let go before TAP_MS.
 */
class Press {
  static TAP_MS = 300;
  #on;
  #target;
  #timer = null; // until it counts as held
  #isHeld = false;

  constructor(target, on) {
    [this.#target, this.#on] = [target, on];
    target.addEventListener("pointerdown", (event) => event.button === 0 && this.#down(event));
    for (const kind of ["pointerup", "pointercancel"]) target.addEventListener(kind, () => this.#up());
    target.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press
    target.addEventListener("click", (event) => this.#click(event));
    addEventListener("keydown", (event) => this.#isOurs(event) && this.#key(event, () => event.repeat || this.#down()));
    addEventListener("keyup", (event) => this.#isOurs(event) && this.#key(event, () => this.#up()));
    addEventListener("blur", () => this.#up()); // the key's end would not be told any more
  }

  /** Enter on the button, or an assistant's click: no pointer has told of it. */
  #click(event) {
    if (event.detail !== 0 || this.#isDown) return;
    this.#down();
    this.#up();
  }

  #isOurs({ code, target, ctrlKey, altKey, metaKey }) {
    if (code !== "Space" || ctrlKey || altKey || metaKey || document.querySelector("dialog[open]")) return false;
    return this.#isDown || target === this.#target || !target.closest(WANTS_SPACE);
  }

  #key(event, act) {
    event.preventDefault();
    act();
  }

  get #isDown() {
    return this.#timer !== null || this.#isHeld;
  }

  #down(event) {
    if (this.#isDown || this.#target.disabled) return;
    if (event) this.#target.setPointerCapture(event.pointerId);
    this.#timer = setTimeout(() => this.#hold(), Press.TAP_MS);
    this.#on.down();
  }

  #hold() {
    [this.#timer, this.#isHeld] = [null, true];
    this.#on.hold();
  }

  #up() {
    if (!this.#isDown) return;
    clearTimeout(this.#timer);
    const isHeld = this.#isHeld;
    [this.#timer, this.#isHeld] = [null, false];
    if (isHeld) this.#on.up();
    else this.#on.tap();
  }
}

const WANTS_SPACE = "input, textarea, select, button, summary, a[href], [tabindex], [contenteditable]";
