// `npm run codegen`: the stock `convex` CLI generates code, with no deployment, against the local backend. First for
// the component, then the package is built, for the app's code is generated against the built package.
import { execFileSync } from "node:child_process";
import { deploy } from "../local/push/deploy.js";
import { startBackend } from "../local/server/backend.js";

const server = await startBackend();
try {
  const codegen = ["codegen", "--typecheck", "disable"];
  console.log(await deploy(server.url, { args: [...codegen, "--component-dir", "./src/component"] }));
  execFileSync("npm", ["run", "build", "--silent"], { stdio: "inherit" });
  console.log(await deploy(server.url, { args: codegen }));
} finally {
  await server.close();
}
