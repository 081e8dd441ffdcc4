"use strict";

/** "Remember on this device", as its user switches it on and comes back to it. What is kept, and how: device.js. */
const Remembered = (() => {
  let page = null; // {state(), restore(kept), notice(text)}

  /** To be called once. */
  function begin(acts) {
    page = acts;
    byId("remember").addEventListener("change", switchOver);
    offer();
  }

  /** Keep the page as it is now, where its user wants that. */
  function remember() {
    return Device.isOn() ? Device.keep(page.state()) : null;
  }

  async function switchOver(event) {
    const box = event.target;
    if (!box.checked) return Device.forget();
    box.checked = false;
    if (!Check.isPossible())
      return page.notice("Over plain HTTP a browser lets no page encrypt: nothing is kept on this device.");
    if (Device.isSet())
      return page.notice("A conversation is kept on this device already: open it, or forget it first.");
    if (!(await Device.lock()))
      return page.notice("Another tab remembers its conversation on this device: close it first.");
    const passphrase = await Dialogs.askPassphrase();
    if (!passphrase) return Device.unlock();
    await Device.begin(passphrase);
    box.checked = true;
    return remember();
  }

  /** What an earlier visit has left here, if its user had asked for that. */
  function offer() {
    if (!Device.isSet()) return;
    const pass = element("input", { type: "password", id: "recall", autocomplete: "off" });
    const wrong = element("p", { class: "wrong", role: "alert" });
    const form = element(
      "form",
      { class: "recall" },
      element("label", { for: "recall" }, "A conversation is kept on this device, encrypted. Its passphrase:"),
      pass,
      element("button", { type: "submit", class: "first" }, "Open it"),
      button("Forget it", forget),
      wrong,
    );
    const shown = byId("remembered");
    shown.replaceChildren(form);
    shown.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const why = await recall(pass.value);
      wrong.textContent = why ?? "";
      shown.hidden = why === null;
    });

    function forget() {
      if (!confirm("Forget what is kept on this device?")) return;
      Device.forget();
      shown.hidden = true;
    }
  }

  /** Why not, or null. */
  async function recall(passphrase) {
    if (!(await Device.lock())) return "Another tab has it open: close that one first.";
    const kept = await Device.open(passphrase);
    if (!kept) {
      await Device.unlock();
      return "That is not its passphrase.";
    }
    page.restore(kept);
    byId("remember").checked = true;
    return null;
  }

  return { begin, remember };
})();
