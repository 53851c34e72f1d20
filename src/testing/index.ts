// What apps test their use of the package with. Published as source, as `./test` is: it mounts the component's files.
export { createTestBackend, type TestBackend, type TestBackendOptions } from "./testBackend.js";
export {
  createTestReplica,
  type TestControl,
  type TestDevice,
  type TestReplica,
  type TestReplicaSetup,
} from "./createTestReplica.js";
export { simulate, SimulationError } from "./simulate/simulate.js";
export type { Choices } from "./simulate/choices.js";
export type {
  CheckContext,
  ServerWriteContext,
  Simulated,
  SimulateOptions,
  SubscriptionsOf,
  WriteContext,
} from "./simulate/options.js";
export type { SimulationScript, SimulationStep } from "./simulate/steps.js";
