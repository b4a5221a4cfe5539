// Every word of the page on what happens after a run: another language is another such object.

export const words = {
  title: "After a run",
  says: "In this order, after each run that ends so. When one fails, those after it are left out; the run stays as it is.",
  list: "What happens",
  save: "Save",
  saved: "Saved.",
  name: "Name",
  nameSays: "What it is called in the run.",
  when: "After runs that",
  whenSays:
    "succeeded, failed, or always: whichever way they ended. Runs that clear tables have none.",
  timeout: "Longest time in seconds",
  sql: "SQL on the destination",
  sqlSays:
    "All statements in one transaction; where the destination takes SQL (DuckDB, PostgreSQL, SQLite).",
  kind: "Kind",
  statements: "Statements",
  statement: "Statement",
  webhook: "Webhook",
  webhookSays: "Posts what the run did.",
  url: "Address",
  secret: "Secret",
  secretSays: "With one, each message is signed as Standard Webhooks are.",
  dbt: "dbt project",
  dbtSays: "On the server's machine, if it was started with --allow-commands.",
  project: "Folder of the project",
  dbtCommand: "Command",
  select: "Select",
  selectSays: "Which models, as after --select.",
  target: "Target",
  profiles: "Folder of the profiles",
  command: "Shell command",
  commandSays:
    "On the server's machine, if it was started with --allow-commands. Finds PENSTOCK_RUN_STATUS and PENSTOCK_ROWS_COMMITTED in its environment.",
  commandLine: "Command line",
};
