import { defineComponent } from "convex/server";
import workpool from "@convex-dev/workpool/convex.config.js";

const component = defineComponent("replicate");
component.use(workpool);
export default component;
