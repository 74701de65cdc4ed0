"""The application: settings, command line, embedded servers, demo."""
