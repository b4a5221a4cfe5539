// The pages about data, in one part of the code that is loaded when one of them is first shown.

export { ConnectionData } from "./ConnectionData";
export { DataList } from "./DataList";
export { DestinationData } from "./DestinationData";
