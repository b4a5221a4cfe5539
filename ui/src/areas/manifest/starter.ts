// A manifest to begin with: one stream, its pages and its key.

export const STARTER = `version: 6.0.0
type: DeclarativeSource

check:
  type: CheckStream
  stream_names: [items]

streams:
  - type: DeclarativeStream
    name: items
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url: "{{ config['address'] }}/items"
        http_method: GET
        authenticator:
          type: BearerAuthenticator
          api_token: "{{ config['api_key'] }}"
      record_selector:
        type: RecordSelector
        extractor:
          type: DpathExtractor
          field_path: [items]
      paginator:
        type: DefaultPaginator
        page_size_option:
          type: RequestOption
          inject_into: request_parameter
          field_name: limit
        page_token_option:
          type: RequestOption
          inject_into: request_parameter
          field_name: offset
        pagination_strategy:
          type: OffsetIncrement
          page_size: 100
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties:
          id: {type: integer}
          name: {type: ["null", string]}

spec:
  type: Spec
  connection_specification:
    type: object
    required: [address, api_key]
    properties:
      address: {type: string, title: Address, examples: ["https://api.example.org"]}
      api_key: {type: string, title: API key, airbyte_secret: true}
`;
