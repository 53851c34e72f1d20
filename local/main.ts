// `npm run backend -- --port 3210`: a backend to push to and to connect to, until it is stopped.
import { parseArgs } from "node:util";
import { startBackend } from "./server.js";

const { values } = parseArgs({
  options: { port: { type: "string", default: "3210" }, site: { type: "string" } },
});
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`--port must be a number from 0 to 65535, got "${values.port}".`);
  process.exit(1);
}
try {
  const site = values.site === undefined ? {} : { site: values.site };
  const { url } = await startBackend({ port, ...site, log: console.log });
  console.log(`Local backend at ${url}. Push an app to it with`);
  console.log(`  CONVEX_SELF_HOSTED_URL=${url} CONVEX_SELF_HOSTED_ADMIN_KEY=local npx convex dev`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
