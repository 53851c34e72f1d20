// The tabs' page on a loopback server of its own: it is there whether the backend is or not, as an installed app is.
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";

const folder = path.dirname(fileURLToPath(import.meta.url));

/** `next`: of a release to come, whose local database is of another format. */
export type PageKind = "now" | "next";

export interface Pages {
  readonly origin: string;
  /** @param isSandboxed - the browser lets it store nothing */
  urlOf(kind: PageKind, backend: string, isSandboxed?: boolean): string;
  /** An empty page of the same origin. */
  readonly emptyUrl: string;
  close(): void;
}

export async function servePages(kinds: readonly PageKind[] = ["now"]): Promise<Pages> {
  const scripts = new Map<string, string>();
  for (const kind of kinds) scripts.set(`/${kind}.js`, await bundle(kind === "next" ? [nextFormat] : []));
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const script = scripts.get(pathname);
    if (script !== undefined) return void response.setHeader("content-type", "text/javascript").end(script);
    if (searchParams.has("sandboxed")) response.setHeader("content-security-policy", "sandbox allow-scripts");
    const tag = pathname === "/" ? "" : `<script src="${pathname}.js"></script>`;
    response.setHeader("content-type", "text/html").end(`<!doctype html><title>tab</title>${tag}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    emptyUrl: `${origin}/`,
    urlOf: (kind, backend, isSandboxed = false) =>
      `${origin}/${kind}?backend=${encodeURIComponent(backend)}${isSandboxed ? "&sandboxed" : ""}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function bundle(plugins: Plugin[]): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    root: folder,
    plugins,
    build: {
      write: false,
      target: "es2022",
      lib: { entry: path.join(folder, "tabPage.ts"), formats: ["iife"], name: "page" },
    },
  });
  const [output] = [built].flat();
  if (output === undefined || !("output" in output)) throw new Error("Nothing was built.");
  return output.output[0].code;
}

/** One more migration: as a release to come has it. */
const nextFormat: Plugin = {
  name: "next-format",
  transform(code, id) {
    if (!id.endsWith("/store/indexedDbSchema.js")) return null;
    const line = "export const formatVersion = migrations.length;";
    if (!code.includes(line)) throw new Error(`The format's version is not where it was: no "${line}".`);
    return code.replace(
      line,
      `migrations.push(async ({ db }) => void db.createObjectStore("next"));\n${line}`,
    );
  },
};
