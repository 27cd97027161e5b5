/** The shell: what is around every view, and the stream of events that all of them draw from. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { AccessDialog, needsToken, openAccess, readAccess } from "./access";
import { hashOf } from "./format";
import { connection, connectionError, goLive, isStale, release, workers } from "./live";
import { Mark } from "./parts/mark";
import { unreachedWords } from "./parts/unreached";
import { type ViewName, VIEWS, route } from "./router";
import { Shortcuts, isHelpOpen } from "./shortcuts";
import { switchTheme, theme } from "./theme";
import { Toasts } from "./toasts";
import { Letters } from "./views/letters";
import { Listener } from "./views/listener";
import { MapOfTaste } from "./views/map";
import { Now } from "./views/now";
import { Releases } from "./views/releases";

const TITLES: Record<ViewName, string> = {
  now: "Now", listener: "Listener", map: "Map", releases: "Releases", letters: "Dead letters",
};
const SHOWN = { now: Now, listener: Listener, map: MapOfTaste, releases: Releases, letters: Letters };

function App() {
  const [session, setSession] = useState(0); // begins again with other rights
  useEffect(() => {
    void readAccess();
    return goLive();
  }, [session]);
  const { view } = route.value;
  useEffect(() => { document.title = `${TITLES[view]} · Refrain`; }, [view]);
  const View = SHOWN[view];
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the view</a>
      <header class="shell">
        <a class="brand" href="#/now"><Mark />Refrain</a>
        <nav aria-label="Views">
          {VIEWS.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={name === view ? "page" : undefined}>{TITLES[name]}</a>
          ))}
        </nav>
        <div class="tools">
          <Connection />
          {needsToken.value && <button type="button" class="quiet" onClick={openAccess}>Access</button>}
          <button type="button" class="quiet icon" onClick={switchTheme} aria-label={`Switch to ${theme.value === "dark" ? "light" : "dark"}`}>
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.4" /><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" /></svg>
          </button>
          <button type="button" class="quiet icon" onClick={() => { isHelpOpen.value = true; }} aria-label="Keys">?</button>
        </div>
      </header>
      <main id="main" tabIndex={-1} key={`${view}-${session}`}><View /></main>
      <Toasts />
      <Shortcuts />
      <AccessDialog onAccess={() => setSession((count) => count + 1)} />
    </>
  );
}

/** Move the focus without touching the hash, which names the view. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Connection() {
  const isMoving = workers.value?.state === "moving";
  const isPartial = workers.value !== null && unreachedWords(workers.value) !== null;
  const isLocked = connectionError.value?.code === "unauthorized";
  const state = isLocked ? "locked" : connection.value === "open" ? (isStale.value ? "silent" : isMoving ? "moving" : isPartial ? "partial" : "live") : isStale.value ? "lost" : connection.value;
  const words = {
    live: "live", partial: "partly live", moving: "moving", connecting: "connecting", silent: "silent", lost: "disconnected", locked: "needs a token",
  }[state];
  return (
    <span class={`connection ${state}`} role="status" title={connectionError.value?.message ?? ""}>
      <i aria-hidden="true" />{words}
      {state === "live" && release.value && <span class="answering" title={`Release ${release.value} answers`}>{hashOf(release.value)}</span>}
    </span>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
