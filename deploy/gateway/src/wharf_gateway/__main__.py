from wharf_gateway.cli import main

main()
