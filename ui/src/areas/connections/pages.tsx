// The pages about connections.

export { ConnectionList } from "./ConnectionList";
export { ConnectionPage } from "./ConnectionPage";
export { NewConnection } from "./NewConnection";
