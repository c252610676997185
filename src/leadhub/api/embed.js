// Forms that post to LeadHub, made comfortable. Without this script they post as plain forms and work as well.
//
//   <form action="https://leads.example.com/in/form/KEY" method="post" data-leadhub>…</form>
//   <script src="https://leads.example.com/embed/v1.js" defer></script>
//
// Small matters more here than anywhere: names are short, comments have lines of their own, and it is served without
// comments and needless blanks (see embed.py). A statement does not run over several lines, unless in brackets.
//
// d document · f a form · o its data-* attributes · p where it posts · s its status line · e a field · n a name · v an event
(() => {
  const d = document;
  const L = "leadhub";
  const make = (tag, props) => Object.assign(d.createElement(tag), props);

  // An address with nothing but its campaign's parameters: the rest of a query may be personal.
  const bare = (link) => {
    const u = new URL(link), q = u.searchParams;
    [...q.keys()].map((n) => /^((utm|hsa)_.+|\w*cl(ick|k)?id|[gw]braid|li_fat_id|epik|sccid|(mc|rdt)_[ce]id)$/i.test(n) || q.delete(n));
    return u.origin + u.pathname + u.search;
  };
  let touch = { landing_page: bare(location), referrer: d.referrer && bare(d.referrer) };

  // Nothing is kept on the visitor's device unless the page says so: `data-remember="session"` or `"local"` on the
  // script, or leadhub.remember("local") once the visitor has agreed; leadhub.remember() when they no longer do.
  // The first touch counts, for 90 days.
  const remember = (where) => {
    try {
      if (!where) return ["local", "session"].map((one) => window[one + "Storage"].removeItem(L));
      const store = window[where + "Storage"], now = Date.now(), kept = JSON.parse(store.getItem(L));
      touch = kept && now - kept.at < 7776e6 ? kept : { ...touch, at: now };
      store.setItem(L, JSON.stringify(touch));
    } catch {}
  };

  const enhance = (f) => {
    const o = f.dataset, p = f.getAttribute("action"), s = make("p", { className: L + "-status", role: "status", tabIndex: -1 });
    const say = (state, text) => {
      o.state = state;
      s.textContent = text;
    };
    let notes = [], token, sent, id;
    f.after(s);

    // People do not see this field and cannot reach it; who fills it in is a robot.
    const name = o.honeypot || "_gotcha";
    if (!f.elements[name]) {
      const trap = make("input", { name, tabIndex: -1, autocomplete: "off", ariaHidden: "true" });
      trap.style.cssText = "position:absolute;left:-999em";
      f.append(trap);
    }

    // A token says when the form was opened: `data-token`, for sources that ask for one.
    if ("token" in o) fetch(p + "?token").then((a) => a.json()).then((a) => (token = a.token), () => 0);

    // Say what is wrong with a field beside it.
    const mark = ({ pointer, detail }, index) => {
      let e = f.elements[decodeURIComponent(pointer.slice(2))];
      e = e && !e.tagName ? e[0] : e;
      if (!e) return;
      const note = make("span", { className: L + "-error", id: L + index, textContent: detail });
      e.after(note);
      e.ariaInvalid = "true";
      e.setAttribute("aria-describedby", note.id);
      notes.push([e, note]);
    };

    f.addEventListener("submit", async (v) => {
      if (v.defaultPrevented || v.preventDefault() || o.state == "sending") return;
      for (const [e, note] of notes) e.ariaInvalid = note.remove();
      notes = [];
      say("sending", o.sending || "Sending…");
      const body = new URLSearchParams(new FormData(f));
      const more = { ...touch, at: 0, page_url: bare(location), _form_token: token, _consent_version: o.consent };
      for (const n in more) if (more[n] && !body.has(n)) body.set(n, more[n]);

      // One id for as long as the same is sent: a repeat after a lost answer is one lead.
      if (sent != (sent = body + "")) id = crypto.getRandomValues(new Uint32Array(4)).join("-");
      const headers = { Accept: "application/json", "Idempotency-Key": id };
      let a, wait;
      for (let t = 3; t--; await new Promise((go) => setTimeout(go, wait * 1e3))) {
        a = await fetch(p, { method: "POST", body, headers }).catch(() => 0);
        wait = a ? +a.headers.get("Retry-After") : 1;
        if (!wait || wait > 9 || !t) break;
      }
      const detail = a ? await a.json().catch(() => ({})) : {};
      if (a.ok) {
        sent = 0;
        f.reset();
        if (o.redirect) location = o.redirect;
        f.style.display = "none";
        say("success", o.success || "Thank you, we have it.");
      } else {
        (detail.errors || []).map(mark);
        say("error", notes[0] ? o.invalid || "Please correct the form." : o.error || "Not sent. Please try again.");
        ["turnstile", "hcaptcha", "grecaptcha"].map((n) => window[n]?.reset?.());
      }
      (notes[0] || [s])[0].focus();
      f.dispatchEvent(new CustomEvent(L + ":" + o.state, { bubbles: true, detail }));
    });
  };

  window[L] = { enhance, remember };
  const where = d.currentScript?.dataset.remember;
  if (where) remember(where);
  const start = () => d.querySelectorAll("form[data-leadhub]").forEach(enhance);
  d.readyState == "loading" ? d.addEventListener("DOMContentLoaded", start) : start();
})();
