// The words of the frame around all pages: another language is another such object.

export const words = {
  product: "penstock",
  menu: "Show the menu",
  areas: "Areas",
  places: {
    home: "Home",
    connections: "Connections",
    sources: "Sources",
    destinations: "Destinations",
    data: "Data",
    settings: "Settings",
  },
  showLight: "Show the pages light",
  showDark: "Show the pages dark",
  account: (email: string) => `Account of ${email}`,
  version: (version: string) => `penstock ${version}`,
  signOut: "Sign out",
  noPage: "There is no such page",
  noPageText: "The menu shows those there are.",
  ended: "Your session has ended",
  noRole: "You have no role in any workspace.",
  noRoleRemedy: "Ask an administrator for one.",
};
