from wharf_native.cli import main

main()
