// `npm run simulate -- …`: see docs/simulation.md. The component's files are found as tests find them, so through Vite.
import { createServer } from "vite";

process.env["REPLICATE_LOG_LEVEL"] ??= "ERROR";
const vite = await createServer({
  configFile: false,
  appType: "custom",
  logLevel: "warn",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
  ssr: { noExternal: [/^@convex-dev\//, "convex-test"] },
});
const { simulate } = (await vite.ssrLoadModule("/src/testing/simulation/command.ts")) as {
  simulate(args: readonly string[]): Promise<number>;
};
process.exit(await simulate(process.argv.slice(2)));
