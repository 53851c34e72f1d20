import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.js";
import { FieldbookContext, openFieldbook } from "./fieldbook.js";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/toolbar.css";
import "./styles/status.css";
import "./styles/list.css";
import "./styles/page.css";

const root = createRoot(document.getElementById("root") as HTMLElement);
const fieldbook = openFieldbook();

fieldbook.replica.ready.then(
  () =>
    root.render(
      <StrictMode>
        <FieldbookContext value={fieldbook}>
          <App />
        </FieldbookContext>
      </StrictMode>,
    ),
  (error: unknown) => root.render(<p className="fatal">{messageOf(error)}</p>),
);

if (import.meta.env.PROD && "serviceWorker" in navigator) void registerServiceWorker();

/** Asks for a new version with every load, for browsers put that off; the load after it then is the new version's. */
async function registerServiceWorker(): Promise<void> {
  try {
    const registration = await navigator.serviceWorker.register("/sw.js");
    if (navigator.onLine) await registration.update();
  } catch (error) {
    console.warn("The app's files could not be stored, or not be looked for anew.", error);
  }
}

function messageOf(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `Fieldbook cannot keep sites on this device. ${reason}`;
}
