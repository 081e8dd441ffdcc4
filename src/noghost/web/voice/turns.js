"use strict";

/**
 * The turns of one session, in the conversation that the page shows: begun as they are spoken, whole once they were
 * heard. One has `caption` ({firm, open}) as long as it is spoken, and `session`, in which no gap is between two turns.
 */
class SpokenTurns {
  #page;
  #session; // stands for itself: who is there meanwhile
  #last = null; // the last one, of either side
  current = null; // the one that is being spoken

  constructor(page, session) {
    [this.#page, this.#session] = [page, session];
  }

  /** The caller begins to speak. */
  ask() {
    const after = this.#page.questionAfter(this.#last ?? this.#page.conversation().lastAnswered());
    return this.#begin(after, "user");
  }

  /** Somebody answers. */
  answer(question) {
    return this.#begin(question, "assistant");
  }

  #begin(after, role) {
    const turn = this.#page.conversation().add(after, role, "");
    Object.assign(turn, { isSpoken: true, session: this.#session, caption: { firm: "", open: "" } });
    [this.#last, this.current] = [turn, turn];
    this.#page.redraw();
    byId("thread").lastElementChild.scrollIntoView({ block: "end" });
    return turn;
  }

  /** More of it is known. Saved now, it would have the words that count: of an answer, those that were heard. */
  show(turn, caption) {
    const isSame = turn.caption.firm === caption.firm && turn.caption.open === caption.open;
    turn.caption = caption;
    turn.text = turn.role === "user" ? (caption.firm + caption.open).trim() : caption.firm;
    if (!isSame) this.#page.thread.grow(turn);
  }

  /** These are its words. Without any, it is none. `cut`: why it is not whole. */
  end(turn, text, cut = null) {
    Object.assign(turn, { caption: null, text, cut, ended: turn.ended ?? Date.now() });
    if (this.current === turn) this.current = null;
    if (!text) this.#drop(turn);
    this.#page.redraw();
    this.#page.remember();
  }

  #drop(turn) {
    this.#page.conversation().drop(turn);
    if (this.#last === turn) this.#last = turn.parent.parent ? turn.parent : null;
  }

  /** The last question gets no answer, and why. */
  fail(why) {
    const question = this.#last;
    if (question?.role === "user") question.failed = `${why} Your question is kept.`;
    this.#page.redraw();
  }
}
