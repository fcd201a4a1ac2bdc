"""Network providers: who makes and breaks connections, one kind of network each."""
