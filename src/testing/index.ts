// What apps test their use of the package with. Published as source, as `./test` is: it mounts the component's files.
export { createTestBackend, type TestBackend, type TestBackendOptions } from "./testBackend.js";
export {
  createTestReplica,
  type TestControl,
  type TestDevice,
  type TestReplica,
  type TestReplicaSetup,
} from "./createTestReplica.js";
