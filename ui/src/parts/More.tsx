// The end of a list that has more: asks for the next page of it.

import { Button, type ButtonProps } from "@mantine/core";

export function More(props: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  children: string;
  size?: ButtonProps["size"];
}) {
  const { query } = props;
  if (!query.hasNextPage) {
    return null;
  }
  return (
    <div>
      <Button
        variant="default"
        {...(props.size ? { size: props.size } : {})}
        loading={query.isFetchingNextPage}
        onClick={() => void query.fetchNextPage()}
      >
        {props.children}
      </Button>
    </div>
  );
}
