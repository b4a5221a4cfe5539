// The words of signing in: another language is another such object.

export const words = {
  title: "Sign in to penstock",
  email: "E-mail address",
  password: "Password",
  do: "Sign in",
  onThisMachine: "On the machine penstock runs on,",
  printsALink: "prints a link that signs you in once.",
};
