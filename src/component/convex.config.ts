import { defineComponent } from "convex/server";
import aggregate from "@convex-dev/aggregate/convex.config.js";
import batchWorker from "@convex-dev/batch-worker/convex.config.js";
import shardedCounter from "@convex-dev/sharded-counter/convex.config.js";
import workpool from "@convex-dev/workpool/convex.config.js";

const component = defineComponent("replicate");
component.use(workpool);
component.use(batchWorker);
component.use(shardedCounter);
component.use(aggregate);
export default component;
