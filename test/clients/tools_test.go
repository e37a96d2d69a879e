package clients

import "testing"

func tools(t *testing.T, s *stage) {}
