import { defineComponent } from "convex/server";
import { v } from "convex/values";
import aggregate from "@convex-dev/aggregate/convex.config.js";
import batchWorker from "@convex-dev/batch-worker/convex.config.js";
import shardedCounter from "@convex-dev/sharded-counter/convex.config.js";
import workpool from "@convex-dev/workpool/convex.config.js";

const component = defineComponent("replicate", {
  // See settings.ts and log.ts. An app that wants to set them binds them to variables of its own.
  env: {
    REPLICATE_LOG_LEVEL: v.optional(
      v.union(v.literal("DEBUG"), v.literal("INFO"), v.literal("WARN"), v.literal("ERROR")),
    ),
    REPLICATE_QUIET_SECONDS: v.optional(v.string()),
    REPLICATE_KEEP_DAYS: v.optional(v.string()),
  },
});
component.use(workpool);
// Imports have a pool of their own: a large one would keep compaction waiting for an hour.
component.use(workpool, { name: "importPool" });
component.use(batchWorker);
component.use(shardedCounter);
component.use(aggregate);
export default component;
