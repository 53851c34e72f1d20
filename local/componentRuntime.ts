/// <reference types="vite/client" />
// For tests: the real component and what it is built on, as an engine takes them, without a bundle and a push.
import componentSchema from "../src/component/schema.js";
import { registerChildren } from "../src/test.js";
import type { Runtime, RuntimeComponent } from "./engine/engine.js";

export type Modules = RuntimeComponent["modules"];

const componentModules: Modules = import.meta.glob(
  ["../src/component/**/*.ts", "!../src/component/**/*.test.ts", "!../src/component/convex.config.ts"],
  { eager: true },
);

/** @param hasCrons - false for time that jumps: it would jump from one cron to the next */
export async function loadComponents({ hasCrons }: { hasCrons: boolean }): Promise<Runtime["components"]> {
  const { crons, ...others } = named(componentModules, "../src/component/");
  const modules = hasCrons && crons !== undefined ? { ...others, crons } : others;
  return [{ path: "replicate", schema: componentSchema, modules }, ...(await children())];
}

function named(modules: Modules, folder: string): Modules {
  return Object.fromEntries(
    Object.entries(modules).map(([file, module]) => [
      file.slice(file.indexOf(folder) + folder.length).replace(/\.[tj]s$/, ""),
      module,
    ]),
  );
}

/** What the component is built on is handed to convex-test only: here is something that takes it as convex-test does. */
async function children(): Promise<Runtime["components"]> {
  const taken: { path: string; schema: unknown; loaders: Record<string, () => Promise<Modules[string]>> }[] =
    [];
  const taker = {
    registerComponent: (path: string, itsSchema: unknown, loaders: never) =>
      void taken.push({ path, schema: itsSchema, loaders }),
  };
  registerChildren(taker as unknown as Parameters<typeof registerChildren>[0], "replicate");
  return Promise.all(
    taken.map(async ({ path, schema: itsSchema, loaders }) => {
      const modules: Record<string, Modules[string]> = {};
      for (const [file, load] of Object.entries(loaders))
        if (!/\.(d|test|config|helpers)\.ts$/.test(file)) modules[file] = await load();
      return { path, schema: itsSchema, modules: named(modules, "/component/") };
    }),
  );
}
