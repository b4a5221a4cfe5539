// Every word of the parts that all pages share: another language is another such object.

export const words = {
  loading: "Loading",
  again: "Try again",
  unreachable: "The server does not answer.",
  unreachableRemedy: "Is penstock still running? This page tries again by itself.",
  broken: (why: string) => `This page has failed: ${why}`,
  brokenRemedy: "Load it anew. If it fails again, please report it with what you did.",
  answered: (status: number) => `The server answered with status ${status}.`,
  status: {
    succeeded: "Succeeded",
    complete: "Complete",
    healthy: "Healthy",
    running: "Running",
    queued: "Queued",
    waiting: "Waiting",
    pending: "Pending",
    skipped: "Left out",
    incomplete: "Incomplete",
    failed: "Failed",
    cancelled: "Cancelled",
    inactive: "Paused",
    never: "Not synced yet",
  },
};
